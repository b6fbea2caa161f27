"""What an attack did to which model: victims, transfer and survival tables, batches over folders."""
