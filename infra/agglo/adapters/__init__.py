"""What touches the world, one role per module; ``protocols`` says what each role promises."""
