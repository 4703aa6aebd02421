from typing import Final

VERSION: Final = "0.1.0"
"""The only place that says it: the distribution's metadata and the User-Agent are made from it."""
