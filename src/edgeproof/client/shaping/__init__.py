"""How a network between phone and server is made on one machine: by the kernel, or in user space; and measured."""
