/** Seconds in which the end of a pod waits for its last checkpoint to be sent, beyond the grace of its program. */
export const storeSeconds = 30;

/**
 * Brings and sends checkpoints, in a container of its own beside the program, which so has no way to the keys of the store. Python 3.6
 * with its standard library alone; each request is signed (AWS Signature Version 4).
 *
 * A checkpoint is one object, a compressed tar, which a store shows whole or not at all. Its name begins with the attempt and a number
 * that grows, so that the last by name is the latest, whatever an attempt on a lost node still sends; it ends with the SHA-256 of what
 * is in it. Of one that is damaged the one before it takes the place.
 */
export const storeProgram = String.raw`# Arguments: URL of the store, region, bucket, then
#   keep OWN PARENT ATTEMPT   prefixes of the trial's objects and of those that it begins with (empty for none), and its attempt
#   remove PREFIX             removes all objects below it
# With keep, files in the folder "store" tell both containers of each other. From here: "note", what people should know of the beginning,
# "begun", with "ok" or what went wrong, "fault", why the last could not be sent, and "sent", with "ok". From there: "flush", after which nothing changes any more.
import datetime, gzip, hashlib, hmac, http.client, os, re, shutil, signal, ssl, stat, sys, tarfile, time, urllib.parse, zlib
import xml.etree.ElementTree as xml

endpoint, region, bucket, task = sys.argv[1:5]
url = urllib.parse.urlsplit(endpoint)
user, key = os.environ.get("AWS_ACCESS_KEY_ID", "").strip(), os.environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
token = os.environ.get("AWS_SESSION_TOKEN", "").strip()
kept, store, archive = "/hpo/checkpoint", "/hpo/store", "/tmp/checkpoint.tar.gz"
most_bytes = 5 * 1024**3


class Refused(Exception):
    pass


class Away(Exception):
    pass


class Damaged(Exception):
    pass


# What tells of an archive that is not what was sent.
damages = (Damaged, tarfile.TarError, EOFError, zlib.error, getattr(gzip, "BadGzipFile", Damaged))


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def sign(secret, text):
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def hash_of(path):
    found = hashlib.sha256()
    if path is not None:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                found.update(piece)
    return found.hexdigest()


def headers_of(method, path, query, content):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": url.netloc, "x-amz-content-sha256": content, "x-amz-date": now}
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    scope = "/".join([now[:8], region, "s3", "aws4_request"])
    asked = hashlib.sha256("\n".join([method, path, query, lines, names, content]).encode()).hexdigest()
    secret = ("AWS4" + key).encode()
    for part in scope.split("/"):
        secret = sign(secret, part)
    signature = sign(secret, "\n".join(["AWS4-HMAC-SHA256", now, scope, asked])).hex()
    given = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
    headers["authorization"] = given % (user, scope, names, signature)
    return headers


def ask(method, name="", words=(), source=None, target=None):
    """One request. Away where another try may do better, Refused where not."""
    path = "/" + bucket + ("/" + "/".join(quoted(part) for part in name.split("/")) if name else "")
    query = "&".join("%s=%s" % (quoted(one), quoted(value)) for one, value in sorted(words))
    headers = headers_of(method, path, query, hash_of(source))
    if url.scheme == "https":
        connection = http.client.HTTPSConnection(url.netloc, timeout=60, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
    try:
        body = None
        if source is not None:
            headers["content-length"] = str(os.stat(source).st_size)
            body = open(source, "rb")
        try:
            connection.request(method, path + ("?" + query if query else ""), body=body, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                said = answer.read(65536).decode("utf-8", "replace")
                code, why = [(re.search("<%s>(.*?)</%s>" % (tag, tag), said, re.S) or [None, ""])[1] for tag in ("Code", "Message")]
                text = "the store answers %d %s %s" % (answer.status, code or answer.reason, why)
                if answer.status >= 500 or answer.status in (408, 429) or code == "RequestTimeout":
                    raise Away(text)
                raise Refused(text)
            if target is None:
                return answer.read()
            size = 0
            with open(target, "wb") as file:
                for piece in iter(lambda: answer.read(1 << 20), b""):
                    size += len(piece)
                    file.write(piece)
            if answer.getheader("content-length") not in (None, str(size)):
                raise Away("the store broke off")
            return b""
        finally:
            if body is not None:
                body.close()
    except ssl.SSLError as error:
        raise Refused("no safe connection to %s: %s" % (endpoint, error))
    except (OSError, http.client.HTTPException) as error:
        raise Away("%s does not answer: %s" % (endpoint, error))
    finally:
        connection.close()


def patiently(seconds, *request, **more):
    until, pause = time.monotonic() + seconds, 0.5
    while True:
        try:
            return ask(*request, **more)
        except Away:
            if is_ending or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(10, 2 * pause)


def names_below(prefix, seconds):
    names, after = [], None
    while True:
        words = [("list-type", "2"), ("prefix", prefix)] + ([] if after is None else [("continuation-token", after)])
        found = xml.fromstring(patiently(seconds, "GET", words=words))
        space = re.match(r"(\{.*\})?", found.tag)[0]
        names += [one.findtext(space + "Key") for one in found.iter(space + "Contents")]
        if found.findtext(space + "IsTruncated") != "true":
            return sorted(names)
        after = found.findtext(space + "NextContinuationToken")


def tell(name, text):
    plain = re.sub(r"[^ -~]|[\"\\]", " ", text)[:500]
    with open(os.path.join(store, name + ".new"), "w") as file:
        file.write(plain + "\n")
    os.replace(os.path.join(store, name + ".new"), os.path.join(store, name))
    print(name, plain, flush=True)


def has(name):
    return os.path.exists(os.path.join(store, name))


def state():
    """What tells one content of the folder from another."""
    found = []
    for folder, folders, files in os.walk(kept):
        for one in folders + files:
            path = os.path.join(folder, one)
            try:
                is_now = os.lstat(path)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(is_now.st_mode):
                found.append((path,))
            else:
                found.append((path, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns))
    return sorted(found)


def parts(name):
    """Attempt, number and hash of an archive; None for what is none."""
    found = re.search(r"/(\d+)-(\d+)-([0-9a-f]{64})\.tar\.gz$", name)
    return None if found is None else (int(found[1]), int(found[2]), found[3])


def archives_below(prefix, seconds):
    return [name for name in names_below(prefix, seconds) if parts(name) is not None]


def name_of(own, attempt, number):
    return "%s%06d-%08d-%s.tar.gz" % (own, attempt, number, hash_of(archive))


def fetch(names):
    """Unpacks the latest that is whole, and tells of those that are not."""
    wrong = []
    for name in reversed(names):
        patiently(600, "GET", name, target=archive)
        try:
            if hash_of(archive) != parts(name)[2]:
                raise Damaged("its SHA-256 is another")
            unpack()
        except damages as error:
            wrong.append("%s is damaged (%s)" % (name, error))
            continue
        if wrong:
            tell("note", "%s; the checkpoint before it is used: %s" % ("; ".join(wrong), name))
        return
    raise Refused("no checkpoint is whole: %s" % "; ".join(wrong))


def unpack():
    for one in os.listdir(kept):
        path = os.path.join(kept, one)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)
    with tarfile.open(archive, "r:gz") as packed:
        packed.extractall(kept, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))


def begin(own, parent, attempt):
    """Brings what there is. Returns the number of the attempt's next object."""
    names = archives_below(own, 600)
    if names:
        fetch(names)
        latest, number, _ = parts(names[-1])
        return number + 1 if latest == attempt else 0
    # Another attempt of it begins with the same, whatever its parent has become meanwhile.
    names = archives_below(parent, 600) if parent else []
    while names:
        try:
            fetch(names)
        except Refused:
            # A newer one took its place.
            again = archives_below(parent, 600)
            if again == names:
                raise
            names = again
            continue
        patiently(600, "PUT", name_of(own, attempt, 0), source=archive)
        return 1
    return 0


def send(own, attempt, number, before, is_late):
    """False where it has changed meanwhile: such an archive has parts of two."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for one in sorted(os.listdir(kept)):
            packed.add(os.path.join(kept, one), arcname=one)
    if state() != before and not is_late:
        return False
    if os.stat(archive).st_size > most_bytes:
        raise Refused("it has more than 5 GiB, compressed")
    patiently(20, "PUT", name_of(own, attempt, number), source=archive)
    return True


def begin_or_say(own, parent, attempt):
    """The number of the next object; None where there is no way. What nobody thought of is tried a few times."""
    pause = 1
    for is_last in (False, False, False, True):
        try:
            return begin(own, parent, attempt)
        except Exception as error:
            if is_last or is_ending or isinstance(error, (Refused, Away)):
                tell("begun", "the checkpoint could not be fetched: %s" % said(error))
                return None
            print("begins again:", said(error), flush=True)
        time.sleep(pause)
        pause *= 2


def said(error):
    return str(error) if isinstance(error, (Refused, Away)) else "%s: %s" % (type(error).__name__, error)


def numbered(own, attempt):
    """This container was begun again. What is there is not what was sent, as far as it knows. Returns the next number."""
    pause = 1
    while True:
        try:
            return 1 + max([parts(one)[1] for one in archives_below(own, 600) if parts(one)[0] == attempt] or [-1])
        except Exception as error:
            tell("fault", said(error))
            if is_ending:
                raise
        time.sleep(pause)
        pause = min(60, 2 * pause)


def keep(own, parent, attempt):
    if has("begun"):
        number, sent = numbered(own, attempt), []
    else:
        number = begin_or_say(own, parent, attempt)
        if number is None:
            while not is_ending:
                time.sleep(0.2)
            return
        sent = state()
        tell("begun", "ok")
    last, since, pause = sent, None, 1
    while True:
        is_over = has("flush")
        begun, is_wrong = time.monotonic(), False
        now = last
        try:
            now = state()
            if now != sent:
                since = since or begun
                is_late = is_over or is_ending or begun - since > 60
                if now == last or is_late:
                    if send(own, attempt, number, now, is_late):
                        sent, since, number = now, None, number + 1
                        for one in archives_below(own, 5)[:-2]:
                            patiently(5, "DELETE", one)
            if is_over and sent == now and not has("sent"):
                tell("sent", "ok")
        except Exception as error:
            is_wrong = True
            tell("fault", said(error))
        if is_ending:
            return
        last = now
        # No more than half of the time, and seldom while the store is in trouble; at the end again and again.
        pause = min(60, 2 * pause) if is_wrong and not is_over else 1
        until = time.monotonic() + max(pause, time.monotonic() - begun)
        while time.monotonic() < until and not is_ending and is_over == has("flush"):
            time.sleep(0.1)


is_ending = False


def end(*_):
    global is_ending
    is_ending = True


if task == "keep":
    signal.signal(signal.SIGTERM, end)
    keep(sys.argv[5], sys.argv[6], int(sys.argv[7]))
else:
    while True:
        names = names_below(sys.argv[5], 600)
        if not names:
            break
        for one in names:
            patiently(600, "DELETE", one)
`;
