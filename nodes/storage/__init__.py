"""Models from wherever they lie: paths, web servers, object stores, mounted volumes.

``fetching.fetch`` is the way in. What is remote is downloaded once for all processes of a
machine into a content-addressed cache, verified, unpacked, and handed out as a local path.
"""
