"""Optional companions for other libraries; each names the extra that it needs."""
