"""What things are: pure values and rules, without I/O and without a clock."""
