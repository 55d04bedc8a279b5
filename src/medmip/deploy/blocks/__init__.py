"""The building blocks of an installation, declared once; units, firewall and tables of it."""
