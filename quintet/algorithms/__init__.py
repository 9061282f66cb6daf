"""One page an algorithm: a frozen record of hyper-parameters with pure functions of a batch."""
