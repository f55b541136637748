"""Calls outward: what others say on the network, asked for with care."""

from holdfast.outbound.aws_ecr import AwsEcr, EcrLogin, EcrRefused, FoundImage, FoundRepository
from holdfast.outbound.aws_events import AwsEvents
from holdfast.outbound.downloads import Downloaded, Downloader, Version
from holdfast.outbound.fetch import Fetched, Fetcher, Network, Unreachable
from holdfast.outbound.harbors import Harbors
from holdfast.outbound.key_service import KeyRefused, KeyService, KeyServiceDown
from holdfast.outbound.key_services import open_service
from holdfast.outbound.posting import Poster
from holdfast.outbound.scanner import Scanner, ScannerRefused

__all__ = [
    "AwsEcr",
    "AwsEvents",
    "Downloaded",
    "Downloader",
    "EcrLogin",
    "EcrRefused",
    "Fetched",
    "Fetcher",
    "FoundImage",
    "FoundRepository",
    "Harbors",
    "KeyRefused",
    "KeyService",
    "KeyServiceDown",
    "Network",
    "Poster",
    "Scanner",
    "ScannerRefused",
    "Unreachable",
    "Version",
    "open_service",
]
