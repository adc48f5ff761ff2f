using System.Runtime.InteropServices;
using SQLitePCL;

namespace Millrace.Sqlite.Engine;

/// <summary>
/// Decides which SQLite is loaded: the system's where there is one (it gets security updates, and is years newer than the bundled 3.35), else the bundled one.
/// </summary>
internal static class NativeLibrarySetup
{
    // The oldest version with RETURNING-free use of everything this backend needs; the bundled library has it.
    private const int OldestVersion = 3_035_000;

    private static readonly string[] SystemNames = ["libsqlite3.so.0", "libsqlite3.dylib", "/usr/lib/libsqlite3.dylib"];

    private static readonly Lazy<string> Loaded = new(Load);

    /// <summary>Loads the library once per process.</summary>
    /// <returns>Its version.</returns>
    /// <exception cref="MillraceConfigurationException">None can be loaded, or it is too old.</exception>
    public static string Ensure() => Loaded.Value;

    private static string Load()
    {
        try
        {
            if (!HasProvider())
            {
                try
                {
                    NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, Resolve);
                }
                catch (InvalidOperationException)
                {
                    // The application has its own resolver for this assembly: its choice stands.
                }

                raw.SetProvider(new SQLite3Provider_e_sqlite3());
            }

            var version = raw.sqlite3_libversion().utf8_to_string();
            return raw.sqlite3_libversion_number() >= OldestVersion
                ? version
                : throw new MillraceConfigurationException($"The SQLite library that was loaded is version {version}; Millrace needs 3.35 or newer.");
        }
        catch (Exception failure) when (failure is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            throw new MillraceConfigurationException("No SQLite library could be loaded. Install the system's (libsqlite3-0 on Debian) or publish the bundled e_sqlite3 with the application.", failure);
        }
    }

    private static bool HasProvider()
    {
        try
        {
            _ = raw.sqlite3_libversion_number();
            return true;
        }
        catch (Exception failure) when (failure is not (DllNotFoundException or BadImageFormatException))
        {
            // SQLitePCLRaw throws a bare Exception when no provider has been set.
            return false;
        }
    }

    private static nint Resolve(string name, System.Reflection.Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name == "e_sqlite3")
        {
            foreach (var systemName in SystemNames)
            {
                if (NativeLibrary.TryLoad(systemName, out var handle))
                {
                    return handle;
                }
            }
        }

        // Zero: the runtime goes on with its own search, which finds the bundled library.
        return 0;
    }
}
