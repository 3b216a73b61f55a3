/**
 * Installs conda packages into a prefix by py-rattler, the library below pixi: exactly those of a `pixi.lock`, or what a
 * solver makes of the specs of an `environment.yml`. Packages of the Python index are written to a requirements file.
 */
export const condaScript = `"""usage: install_conda.py PLAN.json PREFIX REQUIREMENTS.txt"""
import asyncio, json, os, sys
import rattler

plan_path, prefix, requirements = sys.argv[1:]
with open(plan_path) as file:
    plan = json.load(file)
platform = str(rattler.Platform.current() if hasattr(rattler, "Platform") else rattler.Subdir.current())


def locked():
    lock = rattler.LockFile.from_path(os.path.join(os.path.dirname(plan_path), plan["lock"]))
    environment = lock.environment(plan["environment"])
    if environment is None:
        sys.exit(f"{plan['lock']} has no environment {plan['environment']}")
    for candidate in environment.platforms():
        if str(candidate) == platform:
            break
    else:
        sys.exit(f"{plan['lock']} has no packages for {platform}")
    lines = []
    for package in environment.pypi_packages_for_platform(candidate) or []:
        if "://" not in package.location:
            print(f"left out, as it is code: {package.name} ({package.location})")
            continue
        digest = package.hashes.sha256 if package.hashes else None
        end = f" --hash=sha256:{digest.hex()}" if digest else ""
        location = package.location.removeprefix("direct+")
        lines.append(f"{package.name} @ {location}{end}")
    return environment.conda_repodata_records_for_platform(candidate) or [], lines


async def solved():
    # As conda does it: the first channel that has a package is the one that it comes from.
    records = await rattler.solve(
        plan["channels"],
        plan["specs"],
        platforms=[platform, "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    return records, plan["pip"]


async def main():
    records, lines = locked() if "lock" in plan else await solved()
    for record in sorted(records, key=lambda record: record.name.normalized):
        print(f"{record.name.normalized} {record.version} {record.build}")
    await rattler.install(records, prefix)
    with open(requirements, "w") as file:
        file.write("".join(f"{line}\\n" for line in lines))


asyncio.run(main())
`;
