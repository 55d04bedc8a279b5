"""What a site says of its datasets and does with their versions: policy, card, retention."""
