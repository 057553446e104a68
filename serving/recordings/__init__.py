"""What the page shows: recordings, their pictures, and what is found in all of them."""
