"""Whether a screen answers, before Qt is asked, which would abort the process. No Qt."""

from __future__ import annotations

import ctypes
import os
import sys


def unreachable_screen() -> str:
    """A sentence where Qt would abort the process because no screen answers; else nothing."""
    if (
        sys.platform != "linux"
        or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb"
        or os.environ.get("WAYLAND_DISPLAY")
    ):
        return ""
    display = os.environ.get("DISPLAY")
    if not display:
        return "the window needs a screen, and DISPLAY is not set; for a picture use `bifur plot`"
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "the window needs the system library libxcb1; on Debian or Ubuntu: apt-get install libxcb1"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    failed = xcb.xcb_connection_has_error(connection)
    # the connection stays: some servers start anew when their last client leaves, and then refuse Qt
    return f"the window needs a screen, and none answers at DISPLAY = {display}" if failed else ""
