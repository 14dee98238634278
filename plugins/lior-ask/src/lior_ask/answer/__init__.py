"""Which passage answers and which sentence is quoted; what is no question; answers as JSON."""
