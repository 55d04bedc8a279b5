"""The drop folder: what lies in it, what is known of each file, and what is done with it."""
