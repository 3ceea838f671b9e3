"""Makes detectors smaller and faster: fewer units, eight bits, and a search over both."""
