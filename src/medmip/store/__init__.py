"""Published datasets and the engines that scan them."""
