"""Losses: tensors in, one scalar out.

Every loss is a mean unless it says otherwise, computed in float32 whatever precision the networks ran in, and
lets gradients through.
"""
