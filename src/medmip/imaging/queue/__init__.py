"""The queue of scans that are to be measured, and who works it off."""
