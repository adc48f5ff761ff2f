using System.Diagnostics.CodeAnalysis;
using FluentValidation;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Millrace.Hosting;
using Millrace.Pipeline;

namespace Millrace.FluentValidation;

/// <summary>Makes validators of FluentValidation check messages, when they are sent and when they are received.</summary>
public static class FluentValidationExtensions
{
    /// <summary>Adds a validator to a client, or inside <c>ForQueue</c> to one queue: <c>options.AddFluentValidator(new OrderValidator())</c>.</summary>
    public static PipelineOptions AddFluentValidator<T>(this PipelineOptions options, IValidator<T> validator)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.AddValidator(new FluentMessageValidator<T>(validator));
    }

    /// <summary>Adds a validator to an instance: one <typeparamref name="TValidator"/> for the application, made by its services.</summary>
    /// <typeparam name="TMessage">The type of the messages.</typeparam>
    /// <typeparam name="TValidator">The validator.</typeparam>
    /// <param name="builder">The builder.</param>
    /// <param name="queue">Only for messages of this queue; null for all.</param>
    public static MillraceBuilder AddFluentValidator<TMessage, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TValidator>(
        this MillraceBuilder builder, string? queue = null)
        where TValidator : class, IValidator<TMessage>
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.TryAddSingleton<TValidator>();
        return builder.Configure((options, services) =>
        {
            var validator = services.GetRequiredService<TValidator>();
            if (queue is null)
            {
                options.AddFluentValidator(validator);
            }
            else
            {
                options.ForQueue(queue, pipeline => pipeline.AddFluentValidator(validator));
            }
        });
    }
}
