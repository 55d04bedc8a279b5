"""How sites are reached: in this process, or over a federation's hub."""
