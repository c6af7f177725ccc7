// Loads the page again until it is there.
setTimeout(() => location.reload(), 1500);
