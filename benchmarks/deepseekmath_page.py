def page(d):
    return ""


def figure(d):
    return ""
