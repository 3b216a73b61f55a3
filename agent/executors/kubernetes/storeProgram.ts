/** Seconds in which the end of a pod waits for its last checkpoint to be sent, beyond the grace of its program. */
export const storeSeconds = 30;

/**
 * Brings and sends checkpoints, in a container of its own beside the program, which so has no way to the keys of the store. Python 3.6
 * with its standard library alone; each request is signed (AWS Signature Version 4).
 *
 * A checkpoint is one object, a compressed tar, which a store shows whole or not at all. Its name begins with the attempt and a number
 * that grows, so that the last by name is the latest, whatever an attempt on a lost node still sends.
 */
export const storeProgram = String.raw`# Arguments: URL of the store, region, bucket, then
#   keep OWN PARENT ATTEMPT   prefixes of the trial's objects and of those that it begins with (empty for none), and its attempt
#   remove PREFIX             removes all objects below it
# With keep, files in the folder "store" tell both containers of each other. From here: "begun", with "ok" or what went wrong, "fault",
# why the last could not be sent, and "sent", with "ok". From there: "flush", after which nothing changes any more.
import datetime, hashlib, hmac, http.client, os, re, shutil, signal, ssl, stat, sys, tarfile, time, urllib.parse
import xml.etree.ElementTree as xml

endpoint, region, bucket, task = sys.argv[1:5]
url = urllib.parse.urlsplit(endpoint)
user, key = os.environ["AWS_ACCESS_KEY_ID"].strip(), os.environ["AWS_SECRET_ACCESS_KEY"].strip()
token = os.environ.get("AWS_SESSION_TOKEN", "").strip()
kept, store, archive = "/hpo/checkpoint", "/hpo/store", "/tmp/checkpoint.tar.gz"
most_bytes = 5 * 1024**3


class Refused(Exception):
    pass


class Away(Exception):
    pass


# Of what is asked of the store, and of the files.
faults = (Refused, Away, OSError, tarfile.TarError, xml.ParseError, EOFError)


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
    names = names_below(own, 600)
    if names:
        patiently(600, "GET", names[-1], target=archive)
        unpack()
        latest, number = re.search(r"(\d+)-(\d+)\.tar\.gz$", names[-1]).groups()
        return int(number) + 1 if int(latest) == attempt else 0
    # Another attempt of it begins with the same, whatever its parent has become meanwhile.
    names = names_below(parent, 600) if parent else []
    while names:
        try:
            patiently(600, "GET", names[-1], target=archive)
        except Refused:
            # A newer one took its place.
            again = names_below(parent, 600)
            if again == names:
                raise
            names = again
            continue
        unpack()
        patiently(600, "PUT", "%s%06d-%08d.tar.gz" % (own, attempt, 0), source=archive)
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
    patiently(20, "PUT", "%s%06d-%08d.tar.gz" % (own, attempt, number), source=archive)
    return True


def keep(own, parent, attempt):
    if has("begun"):
        # This container was begun again. What is there is not what was sent, as far as it knows.
        names = names_below(own, 600)
        number = 1 + max([int(re.search(r"(\d+)\.tar", one)[1]) for one in names if "%s%06d-" % (own, attempt) in one] or [-1])
        sent = []
    else:
        try:
            number = begin(own, parent, attempt)
        except faults as error:
            tell("begun", "the checkpoint could not be fetched: %s" % error)
            while not is_ending:
                time.sleep(0.2)
            return
        tell("begun", "ok")
        sent = state()
    last, since = sent, None
    while True:
        is_over = has("flush")
        now, begun = state(), time.monotonic()
        if now != sent:
            since = since or begun
            is_late = is_over or is_ending or begun - since > 60
            if now == last or is_late:
                try:
                    if send(own, attempt, number, now, is_late):
                        sent, since, number = now, None, number + 1
                        for one in names_below(own, 5)[:-2]:
                            patiently(5, "DELETE", one)
                except faults as error:
                    tell("fault", str(error))
        if is_over and sent == now and not has("sent"):
            tell("sent", "ok")
        if is_ending:
            return
        last = now
        # No more than half of the time.
        until = time.monotonic() + max(1, time.monotonic() - begun)
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
