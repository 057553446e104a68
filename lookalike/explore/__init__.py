"""What stands out in an index, what is there twice, and what it shows in the main."""
