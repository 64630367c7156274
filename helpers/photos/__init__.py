"""From one image file to the pixels of an upright picture, and what is odd about it."""
