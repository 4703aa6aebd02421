"""A local Nexevo gateway with real state: it stands in for the hosted one, offline."""
