"""The local web page and its API: an adapter over the House port."""
