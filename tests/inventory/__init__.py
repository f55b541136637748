"""What images hold, and what hostile ones try."""
