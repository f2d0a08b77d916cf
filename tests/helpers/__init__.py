"""What several test files share: small pictures, planted classifiers, mock services, a browser."""
