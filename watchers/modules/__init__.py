"""Modules of WebAssembly that policies name: fetches them from URLs and registries, and keeps the last good ones."""
