"""What takes records: the interface, several at once, and those beside the file log."""
