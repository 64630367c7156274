"""What single exercises ask for, beyond the common checks."""
