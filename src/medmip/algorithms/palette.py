"""The colours that charts name themselves; the portal has a lighter one for each by night.

What a chart does not name has the colours of the theme that shows it. A colour on a cell of a heat
map is none of these: the cell is the same by night.
"""

BLUE = "#2b6c99"
"""What is told."""
RED = "#b5482f"
"""What it is compared with, or what stands out."""
INK = "#24343a"
"""Text and lines upon other marks."""
PALE = "#f1f4f5"
"""A place where something is hidden."""
QUIET = "#888888"
"""Lines that only guide the eye; seen by day and by night."""
ON_DARK, ON_LIGHT = "#ffffff", "#222222"
"""Numbers on cells of a heat map."""
