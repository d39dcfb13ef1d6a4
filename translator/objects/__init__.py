"""The Kubernetes objects that are read, as frozen values.

One module a kind; `parse` makes an object of what a file or the API server holds. A model declares the fields that are
read, under the snake_case form of the API's own names; what is not declared does not take part in `==`, so a change of
managedFields or resourceVersion is no change. What the API server would refuse is refused here too, with the way out.
"""
