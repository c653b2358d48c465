"""A second machine with the journal and the keys of a node."""
import copy
import shutil

import kit


def clone_of(fed, node):
    """The node may not run while it is copied.  Not started."""
    clone = copy.copy(node)
    clone.name, clone.metrics, clone.dc09_port, clone.dc09_metrics = "clone", kit.free_port(), kit.free_port(), kit.free_port()
    shutil.copytree(fed.path("node-a.journal"), fed.path("clone.journal"))
    for file in ".yaml", ".dc09.yaml":
        text = open(fed.path("node-a" + file)).read()
        for old, new in (("node-a.journal", "clone.journal"), ("node-a.intake", "clone.intake"), (str(node.metrics), str(clone.metrics)),
                         (str(node.dc09_port), str(clone.dc09_port)), (str(node.dc09_metrics), str(clone.dc09_metrics))):
            text = text.replace(old, new)
        fed.write("clone" + file, text)
    clone.main = fed.process("clone", "torap-node", "-c", fed.path("clone.yaml"))
    clone.agent = fed.process("clone-dc09", "torap-dc09", "-c", fed.path("clone.dc09.yaml"))
    return clone
