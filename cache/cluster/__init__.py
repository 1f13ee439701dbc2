"""What any command needs of a Ray cluster: a connection, nodes with names, and a bounded pool of workers on them.

Ray is imported when a cluster is asked for, never before; what runs on the nodes is given by the commands.
"""

from .connection import Cluster, connect
from .node_checks import check_paths, check_store
from .nodes import Node
from .pool import Need, Pool

__all__ = ["Cluster", "Need", "Node", "Pool", "check_paths", "check_store", "connect"]
