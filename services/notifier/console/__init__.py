"""The web console: pages for the people who answer for a customer. Rendered by the server, in Chinese and English."""
