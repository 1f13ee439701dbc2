"""What is checked and measured on a GPU: one file a question, each answer a JSON file."""
