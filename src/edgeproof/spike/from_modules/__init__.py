"""From a module of snnTorch, SpikingJelly or Norse to a network: wiring as a run shows it, neurons in their form."""
