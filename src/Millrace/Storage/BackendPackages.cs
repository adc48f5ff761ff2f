using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace Millrace.Storage;

/// <summary>
/// Millrace's own backends that live in packages of their own. Referencing the package is enough to use its URLs: the default registry looks for the type
/// by a constant name, which trimming understands and keeps.
/// </summary>
internal sealed class BackendPackages
{
    public static readonly BackendPackages[] Known =
    [
        new("Millrace.Sqlite", ["sqlite"], () => Type.GetType("Millrace.Sqlite.SqliteBackend, Millrace.Sqlite", throwOnError: false)),
        new("Millrace.Redis", ["redis", "rediss"], () => Type.GetType("Millrace.Redis.RedisBackend, Millrace.Redis", throwOnError: false)),
    ];

    // What is meant to be there, by the schemes that people will try.
    private static readonly (string Name, string[] Schemes)[] Planned =
    [
        ("RabbitMQ", ["amqp", "amqps", "rabbitmq"]),
        ("PostgreSQL", ["postgres", "postgresql"]),
        ("ZeroMQ", ["zmq", "zeromq"]),
    ];

    private readonly TypeLookup _lookup;

    private BackendPackages(string name, string[] schemes, TypeLookup lookup) => (Name, Schemes, _lookup) = (name, schemes, lookup);

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicMethods)]
    private delegate Type? TypeLookup();

    /// <summary>Why there is no backend of a scheme, and which there are.</summary>
    public static string Missing(string scheme, IEnumerable<string> registered)
    {
        var there = $"There are {string.Join(", ", registered)}.";
        return Array.Find(Known, known => known.Schemes.Contains(scheme)) is { } package
            ? $"The backend '{scheme}' is in the package {package.Name}, which this application does not reference. {there}"
            : Array.Find(Planned, planned => planned.Schemes.Contains(scheme)).Name is { } name ? $"The backend '{scheme}' ({name}) is not there yet. {there}"
            : $"There is no backend '{scheme}'. {there}";
    }

    public string Name { get; }

    public string[] Schemes { get; }

    /// <summary>Registers the package's backend if the application has it. The type's public static <c>OpenAsync</c> is its <see cref="BackendFactory"/>.</summary>
    public void AddTo(BackendRegistry registry)
    {
        if (_lookup()?.GetMethod("OpenAsync", BindingFlags.Public | BindingFlags.Static, [typeof(BackendUrl), typeof(BackendContext), typeof(CancellationToken)]) is { } open)
        {
            foreach (var scheme in Schemes)
            {
                registry.Add(scheme, open.CreateDelegate<BackendFactory>());
            }
        }
    }
}
