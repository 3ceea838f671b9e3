"""Where it runs: starting or joining Ray, and the settings every room builds on."""
