"""A page that follows a run or a comparison while it happens. Its server is a process of its own that only reads the files they
write, so neither can harm the other; it answers nobody but a browser on this machine that knows the page's secret."""
