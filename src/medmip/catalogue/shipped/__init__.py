"""Data models that come with the software, in the MIP's CDEsMetadata.json format."""
