"""The mapping screens: a person says what each column of a file means, and sees at once what would load."""
