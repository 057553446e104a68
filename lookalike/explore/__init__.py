"""What stands out in an index, what is there twice, where a clip is, and what there is in the main."""
