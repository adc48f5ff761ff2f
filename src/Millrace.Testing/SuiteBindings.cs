using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Millrace.Storage;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;
using Xunit;

namespace Millrace.Testing;

/// <summary>The rule that each contract of a backend is bound to its suite.</summary>
public static class SuiteBindings
{
    /// <summary>The suite of each contract, as an open generic type over its fixture.</summary>
    public static IReadOnlyDictionary<Type, Type> SuiteOf { get; } = new Dictionary<Type, Type>
    {
        [typeof(Backend)] = typeof(BackendConformance<>),
        [typeof(IQueueStore)] = typeof(QueueConformance<>),
        [typeof(IQueueAdmin)] = typeof(QueueAdminConformance<>),
        [typeof(IQueueRouting)] = typeof(QueueRoutingConformance<>),
        [typeof(IQueueTransactions)] = typeof(QueueTransactionConformance<>),
        [typeof(IStreamStore)] = typeof(StreamConformance<>),
        [typeof(IChannelTransport)] = typeof(ChannelConformance<>),
        [typeof(ILockStore)] = typeof(LockConformance<>),
        [typeof(IStateStore)] = typeof(StateConformance<>),
    };

    /// <summary>The suites of the contracts that <paramref name="backend"/> implements.</summary>
    public static IReadOnlyList<Type> SuitesOf(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        (Type Contract, object? Found)[] contracts =
        [
            (typeof(Backend), backend),
            (typeof(IQueueStore), backend.Find<IQueueStore>()),
            (typeof(IQueueAdmin), backend.Find<IQueueAdmin>()),
            (typeof(IQueueRouting), backend.Find<IQueueRouting>()),
            (typeof(IQueueTransactions), backend.Find<IQueueTransactions>()),
            (typeof(IStreamStore), backend.Find<IStreamStore>()),
            (typeof(IChannelTransport), backend.Find<IChannelTransport>()),
            (typeof(ILockStore), backend.Find<ILockStore>()),
            (typeof(IStateStore), backend.Find<IStateStore>()),
        ];
        return [.. contracts.Where(contract => contract.Found is not null).Select(contract => SuiteOf[contract.Contract])];
    }

    /// <summary>
    /// Fails unless <paramref name="tests"/> has a public class for each contract of the fixture's backend that derives from the contract's suite over this fixture, or over one that
    /// derives from it.
    /// </summary>
    /// <param name="fixture">The backend's fixture; opened and closed here, not disposed.</param>
    /// <param name="tests">The assembly of the bindings.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    public static async ValueTask AssertCompleteAsync(BackendFixture fixture, Assembly tests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(fixture);
        var backend = await fixture.OpenAsync(cancellationToken);
        await using (backend)
        {
            AssertComplete(backend, fixture.GetType(), tests);
        }
    }

    /// <summary>
    /// Fails unless <paramref name="tests"/> has a public class for each contract of <paramref name="backend"/> that derives from the contract's suite over <paramref name="fixture"/>, or
    /// over one that derives from it.
    /// </summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Test assemblies are not trimmed: their classes are found by reflection in any case.")]
    public static void AssertComplete(Backend backend, Type fixture, Assembly tests)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(fixture);
        ArgumentNullException.ThrowIfNull(tests);
        var classes = Array.FindAll(tests.GetExportedTypes(), type => type is { IsClass: true, IsAbstract: false });
        var missing = SuitesOf(backend).Where(suite => !Array.Exists(classes, type => Derives(type, suite, fixture))).ToList();
        Assert.True(
            missing.Count == 0,
            $"Backend '{backend.Name}' is not bound to {string.Join(", ", missing.Select(suite => $"{suite.Name.Split('`')[0]}<{fixture.Name}>"))} in {tests.GetName().Name}.");
    }

    private static bool Derives(Type type, Type suite, Type fixture)
    {
        for (var ancestor = type.BaseType; ancestor is not null; ancestor = ancestor.BaseType)
        {
            if (ancestor.IsGenericType && ancestor.GetGenericTypeDefinition() == suite && fixture.IsAssignableFrom(ancestor.GetGenericArguments()[0]))
            {
                return true;
            }
        }

        return false;
    }
}
