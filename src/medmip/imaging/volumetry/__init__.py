"""From a T1-weighted volume to the volumes of its tissues and regions."""
