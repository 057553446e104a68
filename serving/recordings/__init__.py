"""What the page shows: recordings, their pictures, and explorations of all of them."""
