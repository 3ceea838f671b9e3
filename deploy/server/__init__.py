"""The detector as a service: HTTP, WebSocket streams, metrics, and a page that listens to a microphone."""
