"""From the objects to the IR: which Gateways are ours, what listens, which routes attach, what is behind them."""
